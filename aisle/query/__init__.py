"""What a query asks for: brand, category, price, colour, size, as filters with the words that say so."""
