//! The inbox by itself: what it hands out, and what memory it holds on to.

use crate::core::{Body, Message};
use crate::transport::blocks::{BLOCK, Blocks};
use crate::transport::framing::{Framing, Language, Prefix, SP_TCP};
use crate::transport::inbox::{Fill, Inbox};

use super::fake::{EOF, Fake, bodies};

struct Rig {
    inbox: Inbox,
    fake: Fake,
    blocks: Blocks,
}

impl Rig {
    fn new(sizes: &[usize]) -> Rig {
        let fake = Fake::default();
        for body in bodies(sizes) {
            fake.script().incoming.extend(&*SP_TCP.prefix(Prefix::of_length(body.len())));
            fake.script().incoming.extend(&body);
        }
        Rig { inbox: Inbox::default(), fake, blocks: Blocks::default() }
    }

    fn fill(&mut self) -> Fill {
        self.inbox.fill(&self.fake, &self.blocks, false).unwrap()
    }

    fn parse(&mut self) -> bool {
        self.inbox.parse(&Language::of(&SP_TCP), None).unwrap()
    }

    fn take(&mut self) -> Body<'static> {
        let mut message = Message::default();
        self.inbox.take(&mut message, &self.blocks);
        message.body
    }
}

#[test]
fn a_read_says_how_it_went() {
    let mut rig = Rig::new(&[3]);
    assert_eq!(rig.fill(), Fill::Short);
    assert_eq!(rig.fill(), Fill::Nothing);
    rig.fake.script().end = Some(EOF);
    assert_eq!(rig.fill(), Fill::Eof);
    assert!(rig.parse(), "an end takes nothing away");
    assert_eq!(rig.take().bytes(), &bodies(&[3])[0][..]);

    let mut rig = Rig::new(&[BLOCK]);
    assert_eq!(rig.fill(), Fill::More);
}

#[test]
fn small_messages_share_the_block_they_came_in() {
    let mut rig = Rig::new(&[3000, 3000, 100]);
    rig.fill();
    let mut taken = Vec::new();
    while rig.parse() {
        taken.push(rig.take());
    }
    let expected = bodies(&[3000, 3000, 100]);
    assert!(taken.iter().zip(&expected).all(|(body, expected)| body.bytes() == expected));
    let shared = taken.iter().filter(|body| matches!(body, Body::Shared { .. })).count();
    assert_eq!(shared, 2, "the last one is copied out, which frees the block");
}

#[test]
fn a_message_with_a_whole_one_behind_it_is_copied_to_where_it_is_wanted() {
    let sizes = [3, 0, 4000, 7, 5001, 9];
    let (sp, mut room) = (Language::of(&SP_TCP), [0; 5000]);
    // As often as it can be; whatever it is cut into, nothing is done where it cannot.
    for (at_most, limit, direct) in
        [(usize::MAX, None, 4), (1, None, 0), (usize::MAX, Some(5001), 4), (usize::MAX, Some(100), 2)]
    {
        let mut rig = Rig::new(&sizes);
        rig.fake.script().read_at_most = at_most;
        let (mut taken, mut copied) = (Vec::new(), 0);
        while taken.len() < sizes.len() {
            if !rig.parse() {
                rig.fill();
                continue;
            }
            match rig.inbox.take_bytes(&mut room, &sp, limit) {
                Some(len) => {
                    copied += 1;
                    taken.push(room[..len].to_vec());
                }
                None => taken.push(rig.take().bytes().to_vec()),
            }
        }
        assert!(taken == bodies(&sizes));
        assert_eq!(copied, direct, "{at_most}, {limit:?}");
    }
}

#[test]
fn what_was_handed_out_stays_as_it_was() {
    let mut rig = Rig::new(&[5000; 40]);
    rig.fake.script().read_at_most = 7001;
    let mut taken = Vec::new();
    while taken.len() < 40 {
        rig.fill();
        while rig.parse() {
            taken.push(rig.take());
        }
        rig.inbox.settle(&rig.blocks);
    }
    let expected = bodies(&[5000; 40]);
    assert!(taken.iter().zip(&expected).all(|(body, expected)| body.bytes() == expected));
}

#[test]
fn a_large_message_has_a_chunk_of_its_own_which_grows_with_what_comes() {
    let mut rig = Rig::new(&[1_000_000]);
    rig.fake.script().read_at_most = 10_000;
    let mut received = 0;
    while !rig.parse() {
        rig.fill();
        received += 10_000;
        let room = rig.fake.script().largest_room;
        assert!(room <= BLOCK + received, "{room} bytes of room after {received}");
    }
    let body = rig.take();
    assert!(matches!(body, Body::Owned(_)));
    assert!(body.bytes() == bodies(&[1_000_000])[0]);
}

#[test]
fn an_idle_inbox_gives_its_block_back() {
    let mut rig = Rig::new(&[10]);
    let block = rig.blocks.get().unwrap();
    let address = block.bytes().as_ptr();
    rig.blocks.put(block);
    rig.fill();
    assert!(rig.parse());
    rig.take();
    rig.inbox.settle(&rig.blocks);
    assert_eq!(rig.blocks.get().unwrap().bytes().as_ptr(), address, "for the next one");
}

#[test]
fn a_beginning_does_not_keep_a_whole_block() {
    let mut rig = Rig::new(&[100]);
    rig.fake.script().read_at_most = 50;
    let block = rig.blocks.get().unwrap();
    let address = block.bytes().as_ptr();
    rig.blocks.put(block);
    rig.fill();
    assert!(!rig.parse());
    rig.inbox.settle(&rig.blocks);
    assert_eq!(rig.blocks.get().unwrap().bytes().as_ptr(), address);
    rig.fill();
    rig.fill();
    assert!(rig.parse());
    assert_eq!(rig.take().bytes(), &bodies(&[100])[0][..]);
}
