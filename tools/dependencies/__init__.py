"""What Dahlia is built from: known holes (`audit`), an inventory (`sbom`), and licences (`licences`)."""
