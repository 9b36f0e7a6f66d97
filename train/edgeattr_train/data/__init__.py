"""Labelled images of people, from every data set that is read; needs no torch."""
