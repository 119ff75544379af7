//! `nanoqi serve`: a directory of its own.

use crate::arguments::Arguments;
use crate::commands::Failure;

/// Serves until the process is ended.
pub fn serve(url: &str, _: &Arguments) -> Result<(), Failure> {
    Err(Failure { code: 4, text: format!("cannot serve at {url}: not in this build") })
}
