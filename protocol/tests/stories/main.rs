//! What happens in a room, told as stories: Alice and Bob are stock clients, the room is the real one, the shell is a
//! stand-in that performs effects.

mod confirming;
mod housekeeping;
mod joining;
mod poison;
mod presence;
mod publishing;
mod refusing;
mod scene;
mod simulation;
mod slow_peers;
