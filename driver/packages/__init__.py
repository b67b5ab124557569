"""A job's requirements: resolved by pip on the user's machine, remembered, and put into a store."""
