"""An algorithm that ends when its test says so; the template lies beside it."""
