"""`python -m driver`."""

from driver.cli import main

if __name__ == "__main__":
    main()
