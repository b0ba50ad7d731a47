//! The rules of fuzzy watch, told as a script.

mod fuzzy_watch;
