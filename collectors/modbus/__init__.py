"""Polled devices: Modbus TCP, RTU over TCP and serial lines."""
