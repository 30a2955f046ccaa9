//! What becomes of user containers, told as stories: the reducers, the document and the planner are the real ones, the engine
//! is a stand-in that may be slow, die, make two of one, and lie.

mod commands;
mod engine;
mod lifecycle;
mod listening;
mod machine;
mod names;
mod planner;
mod project;
mod routes;
mod scene;
mod simulation;
