"""The model server: answers inference requests from one ONNX file, in batches of what waits."""
