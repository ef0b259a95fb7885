"""Changes of product images. Needs Pillow."""
