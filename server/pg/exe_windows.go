package pg

func exe(name string) string { return name + ".exe" }
