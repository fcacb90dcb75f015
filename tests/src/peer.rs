//! A hand-made peer on a raw socket.
