"""Pure building blocks of the models; they know no paper."""
