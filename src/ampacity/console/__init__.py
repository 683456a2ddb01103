"""The operators' web pages: thin views of what operations and queries tell."""
