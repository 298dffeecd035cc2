"""What fitted estimators look like on disk: joblib, skops and safetensors."""

from skcxr.persistence._state import TRUSTED_TYPES

__all__ = ["TRUSTED_TYPES"]
