"""The routes, a file for each thing that can be asked of a shop. Assembled in `aisle.serve.app`."""
