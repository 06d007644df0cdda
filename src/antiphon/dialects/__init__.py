"""Other APIs that clients speak to us: a request becomes a `CreateResponse`, our events and responses their answers.

A dialect is a codec turned round, one package each, pure and without state. Whatever it can't say in our terms is
refused with the path in the client's own request.
"""
