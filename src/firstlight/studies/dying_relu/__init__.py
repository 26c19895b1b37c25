"""Problems 2.2 and 2.3: networks that collapse to a constant."""
