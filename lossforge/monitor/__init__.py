"""What people look at: TensorBoard's event files, and pictures drawn for them."""
