use std::sync::Arc;

use super::super::spsc::*;

type Text = Box<str>;

fn taken(consumer: &mut Consumer<Text>) -> Option<(u16, Vec<u8>)> {
    // Bytes with this tag, if they fit and more is behind them.
    let mut room = [0; 20_000];
    if let Some(len) = consumer.take_bytes(0, &mut room) {
        assert!(consumer.has_more());
        return Some((0, room[..len].to_vec()));
    }
    consumer.take(|record| match record {
        Record::Bytes(tag, bytes) => (tag, bytes.to_vec()),
        Record::Value(text) => (u16::MAX, text.as_bytes().to_vec()),
    })
}

fn put(producer: &mut Producer<Text>, index: usize) {
    // Bytes of all lengths, some larger than a block, and values.
    match index % 3 {
        0 => producer.put(format!("value {index}").into()).unwrap(),
        1 => producer.put_bytes(index as u16, [&vec![1; index % 777], &vec![2; index % 55]]).unwrap(),
        _ => producer.put_bytes(0, [&[], &vec![3; index * 37 % 40_000]]).unwrap(),
    }
}

fn expect(record: Option<(u16, Vec<u8>)>, index: usize) {
    let expected = match index % 3 {
        0 => (u16::MAX, format!("value {index}").into_bytes()),
        1 => (index as u16, [vec![1; index % 777], vec![2; index % 55]].concat()),
        _ => (0, vec![3; index * 37 % 40_000]),
    };
    assert!(record == Some(expected), "record {index}");
}

#[test]
fn what_is_put_in_comes_out_in_its_order() {
    // One at a time, a few, and many; again and again, so that blocks are left and used again.
    for many in [1, 7, 500] {
        let (mut producer, mut consumer) = queue();
        for round in 0..1000 / many {
            (0..many).for_each(|index| put(&mut producer, round + index));
            (0..many).for_each(|index| expect(taken(&mut consumer), round + index));
            assert!(!consumer.has_more() && consumer.is_empty() && taken(&mut consumer).is_none());
        }
    }
}

#[test]
fn two_threads_agree() {
    const COUNT: usize = 30_000;
    let (mut producer, mut consumer) = queue();
    std::thread::scope(|scope| {
        scope.spawn(move || (0..COUNT).for_each(|index| put(&mut producer, index)));
        for index in 0..COUNT {
            while !consumer.has_more() {
                std::thread::yield_now();
            }
            expect(taken(&mut consumer), index);
        }
    });
}

#[test]
fn nothing_is_lost_of_values_that_nobody_takes() {
    let value = Arc::new(());
    for (put, taken, consumer_first) in
        [(0, 0, true), (3, 0, true), (3, 0, false), (900, 0, false), (900, 450, false), (900, 450, true)]
    {
        let (mut producer, mut consumer) = queue();
        for _ in 0..put {
            producer.put(Arc::clone(&value)).unwrap();
            producer.put_bytes(0, [&[0; 99], &[]]).unwrap();
        }
        for _ in 0..2 * taken {
            assert!(consumer.take(drop_record).is_some());
        }
        assert_eq!(Arc::strong_count(&value), 1 + put - taken);
        if consumer_first {
            drop(consumer);
            // Nobody will see this one.
            producer.put(Arc::clone(&value)).unwrap();
            drop(producer);
        } else {
            drop(producer);
            drop(consumer);
        }
        assert_eq!(Arc::strong_count(&value), 1);
    }
}

fn drop_record<T>(record: Record<'_, T>) {
    drop(record);
}

#[test]
fn there_is_room_after_it_was_made() {
    let (mut producer, mut consumer) = queue::<Text>();
    for index in 0..300 {
        producer.put_bytes(0, [&vec![0; index], &[]]).unwrap();
        producer.make_room().unwrap();
        producer.make_room().unwrap();
        let count = producer.count();
        producer.put("".into()).unwrap();
        assert_eq!(producer.count(), count + 1);
    }
    consumer.clear();
    assert!(consumer.is_empty());
    drop((producer, consumer));
}
