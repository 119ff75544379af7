# fish completion of nanocat, printed by nanocat --completions fish
complete -c nanocat -f
complete -c nanocat -l verbose -s v -d 'Increase verbosity of the nanocat'
complete -c nanocat -l silent -s q -d 'Decrease verbosity of the nanocat'
complete -c nanocat -l help -s h -d 'This help text'
complete -c nanocat -l push -d 'Use NN_PUSH socket type'
complete -c nanocat -l pull -d 'Use NN_PULL socket type'
complete -c nanocat -l pub -d 'Use NN_PUB socket type'
complete -c nanocat -l sub -d 'Use NN_SUB socket type'
complete -c nanocat -l req -d 'Use NN_REQ socket type'
complete -c nanocat -l rep -d 'Use NN_REP socket type'
complete -c nanocat -l surveyor -d 'Use NN_SURVEYOR socket type'
complete -c nanocat -l respondent -d 'Use NN_RESPONDENT socket type'
complete -c nanocat -l bus -d 'Use NN_BUS socket type'
complete -c nanocat -l pair -d 'Use NN_PAIR socket type'
complete -c nanocat -l bind -x -d 'Bind socket to the address ADDR'
complete -c nanocat -l connect -x -d 'Connect socket to the address ADDR'
complete -c nanocat -l bind-ipc -s X -r -F -d 'Bind socket to the ipc address "ipc://PATH".'
complete -c nanocat -l connect-ipc -s x -r -F -d 'Connect socket to the ipc address "ipc://PATH".'
complete -c nanocat -l bind-local -s L -x -d 'Bind socket to the tcp address "tcp://127.0.0.1:PORT".'
complete -c nanocat -l connect-local -s l -x -d 'Connect socket to the tcp address "tcp://127.0.0.1:PORT".'
complete -c nanocat -l recv-timeout -x -d 'Set timeout for receiving a message'
complete -c nanocat -l send-timeout -x -d 'Set timeout for sending a message'
complete -c nanocat -l socket-name -x -d 'Name of the socket for statistics'
complete -c nanocat -l subscribe -x -d 'Subscribe to the prefix PREFIX. Note: socket will be subscribed to everything (empty prefix) if no prefixes are specified on the command-line.'
complete -c nanocat -l format -x -a 'no raw ascii quoted msgpack hex json' -d 'Use echo format FORMAT (same as the options below)'
complete -c nanocat -l raw -d 'Dump message as is (Note: no delimiters are printed)'
complete -c nanocat -l ascii -s A -d 'Print ASCII part of message delimited by newline. All non-ascii characters replaced by dot.'
complete -c nanocat -l quoted -s Q -d 'Print each message on separate line in double quotes with C-like character escaping'
complete -c nanocat -l msgpack -d 'Print each message as msgpacked string (raw type). This is useful for programmatic parsing.'
complete -c nanocat -l hex -d 'Print each message on separate line in double quotes with hex values'
complete -c nanocat -l interval -s i -x -d 'Send message (or request) every SEC seconds'
complete -c nanocat -l delay -s d -x -d 'Wait for SEC seconds before sending message (useful for one-shot PUB sockets)'
complete -c nanocat -l data -s D -x -d 'Send DATA to the socket and quit for PUB, PUSH, PAIR, BUS socket. Use DATA to reply for REP or  RESPONDENT socket. Send DATA as request for REQ or SURVEYOR socket.'
complete -c nanocat -l file -s F -r -F -d 'Same as --data but get data from file PATH'
complete -c nanocat -l lines -d 'Send each line of standard input as a message, until it ends. For PUSH, PUB, PAIR, BUS; for REQ and SURVEYOR print the answers to each before the next.'
complete -c nanocat -l count -x -d 'End after N messages: received, or sent by what only sends (DATA N times then).'
complete -c nanocat -l json -d 'Print each message as a line of JSON: {"data":TEXT}, or {"base64":TEXT} if it is not UTF-8. With --stats and --events, those are JSON, too.'
complete -c nanocat -l stats -d 'Say on standard error every second how many messages and bytes went, how fast, and how many peers there are.'
complete -c nanocat -l events -d 'Say on standard error what happens: who comes and goes, who is refused and why, which connections fail.'
complete -c nanocat -l tls-cert -r -F -d 'For tls+tcp and wss: show this certificate (PEM).'
complete -c nanocat -l tls-key -r -F -d 'The key of that certificate (PEM).'
complete -c nanocat -l tls-ca -r -F -d 'Believe peers whose certificates these authorities have signed (PEM). Without it those of the system.'
complete -c nanocat -l tls-name -x -d 'The server'\''s certificate must be for HOST. Without it for the host of the address.'
complete -c nanocat -l tls-auth -x -a 'none optional required' -d 'Whether clients of --bind must show certificates: none, optional or required.'
complete -c nanocat -l tls-min -x -a '1.2 1.3' -d 'The oldest version of TLS that is spoken: 1.2 or 1.3.'
complete -c nanocat -l tls-insecure -d 'Believe whoever is at the other end of --connect. For tests.'
complete -c nanocat -l completions -x -a 'bash zsh fish' -d 'Print completions for SHELL: bash, zsh or fish.'
complete -c nanocat -l version -d 'Print which version this is.'
complete -c nn_push -w nanocat
complete -c nn_pull -w nanocat
complete -c nn_pub -w nanocat
complete -c nn_sub -w nanocat
complete -c nn_req -w nanocat
complete -c nn_rep -w nanocat
complete -c nn_surveyor -w nanocat
complete -c nn_respondent -w nanocat
complete -c nn_bus -w nanocat
complete -c nn_pair -w nanocat
