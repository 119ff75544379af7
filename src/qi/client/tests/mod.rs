//! The machines by themselves, and the whole client against servers that misbehave.

mod callbacks;
mod fake;
mod machines;
mod peers;
mod reconnection;
mod sessions;
mod taking_back;
