//! Sections 18 and 19, row by row.

mod matrix;
mod methods;
