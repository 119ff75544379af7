//! Sockets in an async runtime, here tokio's; any other does as well. One thread answers a hundred clients that
//! ask at the same time.
//!
//! Run:    cargo run --example tokio
//!         | 100 answers, their sum is 338350

use nanomsg::{Message, Protocol, Result, Socket};
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let server = Socket::new(Protocol::Rep)?;
    let address = server.address(server.bind("tcp://127.0.0.1:0")?)?;

    let mut clients = JoinSet::new();
    for n in 1..=100_u64 {
        clients.spawn(ask(address.clone(), n));
    }
    let mut sum = 0;
    let mut answers = 0;
    while answers < 100 {
        tokio::select! {
            question = server.recv_async() => {
                let n = number(&question?);
                server.send_async((n * n).to_ne_bytes()).await?;
            }
            Some(answer) = clients.join_next() => {
                sum += answer.expect("it does not panic")?;
                answers += 1;
            }
        }
    }
    println!("{answers} answers, their sum is {sum}");
    Ok(())
}

async fn ask(address: String, n: u64) -> Result<u64> {
    let client = Socket::new(Protocol::Req)?;
    client.connect(&address)?;
    client.send_async(n.to_ne_bytes()).await?;
    Ok(number(&client.recv_async().await?))
}

fn number(message: &Message) -> u64 {
    u64::from_ne_bytes(message.to_vec().try_into().expect("eight bytes: they are our own"))
}
