"""Accounts of persons, by Flask-AppBuilder: roles, who logs in, what the command line asks."""
