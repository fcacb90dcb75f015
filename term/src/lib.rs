//! The external term format: values, bytes, order, text, typed conversion.
