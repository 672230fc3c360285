"""What the documentation's build adds to Sphinx. Not part of the library."""
