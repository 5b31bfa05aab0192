from generated_predictions import curved, generated, params, written

__all__ = ["curved", "generated", "params", "written"]
