"""Everything that runs in the proxy. mitmproxy asks the addons in list order, in every hook:

| hook             | addon       | does                                                                     |
|------------------|-------------|--------------------------------------------------------------------------|
| load             | Runtime     | settings, rules, breakers, log; a bad one stops the start                |
|                  | Routing     | the plug-in layers; a bad one stops the start too                        |
|                  | Redacting   | the key of placeholders, where rules need one; a bad one stops the start |
| running          | Runtime     | looks twice a second whether the rules file has changed, and says so     |
|                  | Connections | looks, every second, for clients' connections that wait for too long     |
|                  | Embedding   | the way to the semantic process, kept warm                               |
|                  | Probing     | finds out, in the background, what undeclared servers speak              |
|                  | Warming     | fetches the servers' lists of models, and keeps them warm                |
|                  | Underway    | writes down, every second, what is not over yet                          |
|                  | Reporting   | writes down which rules this worker has                                  |
|                  | Routing     | has the layers prepared for the rules in force                           |
|                  | Settling    | looks for what is held of limits and was never settled                   |
|                  | Securing    | makes the usual TLS context, while there are descriptors for its files   |
|                  | Counting    | looks, every second, at what runs, waits and rests, for /metrics         |
|                  | Telling     | opens the way to an OTLP endpoint, where one is set                      |
| client_connected | Connections | lets a client's connection in, closes an idle one for it, or refuses it  |
|                  | Throttling  | has its connection read only as far as its tap lets it                   |
| server_connected | Throttling  | the same for a connection to a server                                    |
| next_layer       | Failover    | our HTTP layer in the place of mitmproxy's                               |
| requestheaders   | Gate        | which flows are ours; starts the Exchange                                |
|                  | Callers     | who asks, by a token; refuses who needs one and has none                 |
|                  | Limits      | refuses a body that is larger than the caller may send                   |
| request          | Names       | refuses who asks for the router by another's name                        |
|                  | Pages       | web pages: answers what a browser asks first; refuses those not allowed  |
|                  | Upgrades    | reads a WebSocket's handshake; refuses one that is not valid             |
|                  | Intake      | path + body -> Call; refuses what cannot be read                         |
|                  | Answers     | what the router answers itself: model lists, health                      |
|                  | Facade      | what clients of one dialect ask about models on servers of another       |
|                  | Caching     | `auto` only: an answer given before, exact or alike, is given again      |
|                  | Routing     | decide(), or the chain for `auto` -> Plan: ordered candidates, the trace |
|                  | Redacting   | puts placeholders where a rule calls something private, for all servers  |
|                  | Limits      | takes of the caller's limits and budgets, refuses, or has another model  |
|                  | Holding     | of a server's several keys, the one that a conversation was with         |
|                  | Rewriting   | the first candidate's request; Admitting waits for a server with limits  |
|                  | Learning    | asks the other workers what they learned of its server and model         |
|                  | Settling    | notes what is held of the caller's limits, so that it comes back         |
| upstream_failed  | Admitting   | what the server told of its limits, and whether it asks for time         |
|                  | Judging     | how the attempt ended: for breakers, record and all below                |
|                  | Settling    | reserves as much again for the next one, or there is none                |
|                  | Failover    | next candidate, or the final answer, or a stream's tail                  |
| responseheaders  | Admitting   | what the server told of its limits                                       |
|                  | Streaming   | the Pipe for streams; x-switchman-* headers, what the caller has left    |
| each chunk       | (Pipe)      | bytes -> events -> stages -> bytes                                       |
| long_step        | Streaming   | has a chunk, or an answer's end, that takes long done in a thread        |
| response         | Processing  | the same stages over a whole reply                                       |
|                  | Restoring   | counts the originals that came back                                      |
|                  | Judging     | was it an answer?                                                        |
|                  | Learning    | did it begin in a thinking block that the model's template opens?        |
|                  | Settling    | what was used, in place of what was reserved                             |
|                  | Failover    | what a server was not to blame for is asked of it again later            |
|                  | Sticking    | remembers which target a conversation is held to                         |
|                  | Balancing   | remembers where a conversation, or a caller, stays                       |
|                  | Noting      | remembers which of a server's several keys it was with                   |
|                  | Keeping     | stores the answer; lets those go on who waited for it                    |
|                  | Mirroring   | asks a rule's mirror the same once more, beside the client's answer      |
|                  | Recording   | Exchange -> Record -> writer's queue                                     |
| error            | Restoring   | as above                                                                 |
|                  | Judging     | the client left: had it all it wanted?                                   |
|                  | Learning    | as above                                                                 |
|                  | Settling    | as above                                                                 |
|                  | Sticking    | if so, the conversation is held there                                    |
|                  | Balancing   | if so, it stays there                                                    |
|                  | Noting      | if so, it stays with its key                                             |
|                  | Keeping     | if so, stores the answer; lets those go on who waited for it             |
|                  | Recording   | status 499, or what was refused, or the answer                           |
| websocket_end    | Judging     | how a WebSocket ended                                                    |
|                  | Settling    | its place comes back                                                     |
|                  | Recording   | the record of a WebSocket, with its end                                  |

A hook opens with its guard, `if (x := exchange(flow)) is None: return`, and answers that are already set
(`flow.response`) are left alone. `core/` is pure; effects are in the addons only.
"""
