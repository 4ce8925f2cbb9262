"""What the phone page adds: its tokens, labels on machines, photos, and handing an incident on."""
