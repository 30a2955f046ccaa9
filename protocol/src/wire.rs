//! The numbers of messages, and what a room sends, framed: y-websocket messages, exactly one in each WebSocket frame,
//! because stock clients read one. Frames of a server are not masked, so one encoding serves every peer, and many may
//! stand in one buffer.
//!
//! Formats: y-protocols `PROTOCOL.md` for types 0 to 3; 102 as y-sweet has it; 100 and 101 are Orrery's own.

use bytes::BytesMut;

use crate::{
    lib0::{put_var_buf, put_var_str, put_var_uint, var_uint_len},
    websocket::{Opcode, header_len, put_header},
};

pub(crate) const SYNC: u64 = 0;
pub(crate) const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
pub(crate) const QUERY_AWARENESS: u64 = 3;
const EPHEMERAL: u64 = 100;
const SAVED_COUNT: u64 = 101;
pub(crate) const SAVED_ECHO: u64 = 102;

pub(crate) const STEP1: u64 = 0;
pub(crate) const STEP2: u64 = 1;
pub(crate) const UPDATE: u64 = 2;
const PERMISSION_DENIED: u64 = 0;

/// A state vector: please send what I am missing.
pub fn put_step1(out: &mut BytesMut, state_vector: &[u8]) {
    put_sync(out, STEP1, state_vector);
}

/// The answer to a step 1. Also sent when empty: clients count as synced on it.
pub fn put_step2(out: &mut BytesMut, update: &[u8]) {
    put_sync(out, STEP2, update);
}

/// A change.
pub fn put_update(out: &mut BytesMut, update: &[u8]) {
    put_sync(out, UPDATE, update);
}

/// The body that [`crate::awareness::Awareness`] makes.
pub fn put_awareness(out: &mut BytesMut, body: &[u8]) {
    put_frame_header(out, var_uint_len(AWARENESS) + buf_len(body.len()));
    put_var_uint(out, AWARENESS);
    put_var_buf(out, body);
}

/// An awareness message about nobody: browsers cannot see pings, and give up on a silent connection.
pub fn put_keep_alive(out: &mut BytesMut) {
    put_awareness(out, &[0]);
}

/// Permission denied, and why.
pub fn put_denied(out: &mut BytesMut, reason: &str) {
    put_frame_header(out, var_uint_len(AUTH) + var_uint_len(PERMISSION_DENIED) + buf_len(reason.len()));
    put_var_uint(out, AUTH);
    put_var_uint(out, PERMISSION_DENIED);
    put_var_str(out, reason);
}

/// Something that is so now, as JSON.
pub fn put_ephemeral(out: &mut BytesMut, json: &str) {
    put_frame_header(out, var_uint_len(EPHEMERAL) + buf_len(json.len()));
    put_var_uint(out, EPHEMERAL);
    put_var_str(out, json);
}

/// How many of the peer's update messages are durable.
pub fn put_saved_count(out: &mut BytesMut, count: u64) {
    put_frame_header(out, var_uint_len(SAVED_COUNT) + var_uint_len(count));
    put_var_uint(out, SAVED_COUNT);
    put_var_uint(out, count);
}

/// Everything the peer sent before it sent `payload` is durable.
pub fn put_saved_echo(out: &mut BytesMut, payload: &[u8]) {
    put_frame_header(out, var_uint_len(SAVED_ECHO) + buf_len(payload.len()));
    put_var_uint(out, SAVED_ECHO);
    put_var_buf(out, payload);
}

fn put_sync(out: &mut BytesMut, step: u64, body: &[u8]) {
    put_frame_header(out, var_uint_len(SYNC) + var_uint_len(step) + buf_len(body.len()));
    put_var_uint(out, SYNC);
    put_var_uint(out, step);
    put_var_buf(out, body);
}

fn put_frame_header(out: &mut BytesMut, payload_len: usize) {
    out.reserve(header_len(payload_len) + payload_len);
    put_header(out, Opcode::Binary, payload_len);
}

const fn buf_len(len: usize) -> usize {
    var_uint_len(len as u64) + len
}
