"""HTTP: handlers that decode, call and encode, and the families of endpoints made of them."""
