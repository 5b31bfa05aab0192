"""The images of a project: adding, labelling, finding, describing and removing them."""
