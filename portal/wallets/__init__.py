"""What wallets ask over HTTP: a request by its address, and where to post the answer."""
