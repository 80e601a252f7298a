"""Pure functions on arrays; import each from its own file, so that heavy libraries load only where they are used."""
