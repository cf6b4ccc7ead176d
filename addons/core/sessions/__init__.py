"""Which requests belong together: the run of one agent, its subagents, and where its prompt stopped being a prefix.

In it: agents (which agent sent a request), beginning (how a conversation begins, and in which folder it is),
membership (agent, session, project and branch of a request), growing (equal requests that are no session), prompts/
(two prompts compared, and what a difference cost), turns (a session's requests in order, as a tree). What a client
calls its session is core/access/session's.
Door: `membership_of`, `Membership`, `Growing`; for pages also `turns` and prompts/.
May not import: any other room of core but access, request, record and texts.
"""
