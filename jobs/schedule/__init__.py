"""When night work may run: windows in local time, and the greenest or cheapest hours within them."""
