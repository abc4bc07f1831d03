"""What `learning-loop demo --learn` runs: real models in, better models out."""
