//! Blocks of fields, as the standard and clients write them.
