from generated_predictions import curved, generated, params

__all__ = ["curved", "generated", "params"]
