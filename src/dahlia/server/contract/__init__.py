"""The wire: enumerations, models, errors and dates of the Custom Vision API."""
