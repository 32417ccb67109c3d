"""The hub: the published weights of GPT-SoVITS come onto the shelf, over the network or from a folder."""
