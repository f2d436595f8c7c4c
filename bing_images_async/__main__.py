"""`python -m bing_images_async` is the command `bing-images`."""

from .cli import main

if __name__ == "__main__":
    main()
