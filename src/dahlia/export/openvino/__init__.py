"""OpenVINO's intermediate representation, in float16 and with 8 bits."""
