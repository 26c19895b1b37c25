"""A small study for tests: laid out as every study is, it trains nothing."""
