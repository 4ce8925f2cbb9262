"""HTTP and WebSocket: views out, commands in."""
