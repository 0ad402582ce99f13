"""The commands, one module each; a module loads what it works with when its command runs."""
