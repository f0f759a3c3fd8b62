"""From raw videos, comments and annotations to records that training reads."""
