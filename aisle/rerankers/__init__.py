"""A second opinion on few products: (query, products) to scores."""
