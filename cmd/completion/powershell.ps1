# PowerShell completion for suparust
Register-ArgumentCompleter -Native -CommandName suparust -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    $program = $words[0]
    $rest = @($words | Select-Object -Skip 1)
    if ($wordToComplete -eq '') { $rest += ':new' }
    & $program __complete @rest 2>$null | ForEach-Object {
        $text, $help = $_ -split "`t", 2
        if (-not $help) { $help = $text }
        if ($text -match '^:(files|dirs)$') {
            Get-ChildItem -Path "$wordToComplete*" -Directory:($text -eq ':dirs') | ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_.Name, $_.Name, 'ProviderItem', $_.FullName)
            }
        } elseif ($text -eq ':commands') {
            Get-Command "$wordToComplete*" -CommandType Application | Select-Object -First 50 | ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_.Name, $_.Name, 'Command', $_.Name)
            }
        } else {
            [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $help)
        }
    }
}
