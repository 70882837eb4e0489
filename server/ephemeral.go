package server

// transient has the database and the files end with the server.
func (c *Config) transient() {
	if c.Database.DataDir != "" {
		c.projectData = c.Database.DataDir // the project's snapshots stay in reach
	}
	c.Database.DataDir, c.Storage.Root = "", ""
	if !c.cronChosen {
		c.PauseCron = true // time alone surprises no test
	}
}

// Ephemeral turns c into the configuration of a server for one test or one
// command: free ports on loopback, a database and files that end with it.
func (c *Config) Ephemeral() {
	c.BindAddr, c.Port, c.PublicURL = "127.0.0.1", 0, ""
	c.AdminPort, c.ControlAddr = 0, ""
	c.Database.URL = "" // no test and no command works on the data of others
	c.transient()
	c.Database.Port, c.Database.ListenAddr = 0, "127.0.0.1"
	c.Storage.Backend = "" // no test and no command writes into a bucket of others
	if c.Storage.S3Protocol.AccessKeyID == "" {
		c.Storage.S3Protocol.useDemoKeys()
	}
	// no test and no command sends mail to people
	c.Mail = MailConfig{From: c.Mail.From, ListenAddr: "127.0.0.1", OnDemand: true}
	c.Auth.unguarded()
	c.Quickstart = false
	if c.Keys.JWTSecret == "" {
		c.Keys.JWTSecret = DemoJWTSecret
	}
}
