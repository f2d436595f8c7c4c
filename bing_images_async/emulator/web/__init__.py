"""Image files and HTML pages that the URLs in answers lead to."""
