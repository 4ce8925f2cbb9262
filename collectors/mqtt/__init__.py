"""Devices that publish: a broker's line, its messages, and what is owed to who keeps them."""
